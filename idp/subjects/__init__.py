"""idp/subjects"""
