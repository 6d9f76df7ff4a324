"""idp/oauth"""
