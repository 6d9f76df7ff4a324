"""wallet/verifying"""
