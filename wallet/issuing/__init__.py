"""wallet/issuing"""
