"""wallet/presenting"""
