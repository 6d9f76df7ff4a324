"""wallet/holding"""
