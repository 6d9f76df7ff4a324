"""idp/signin"""
