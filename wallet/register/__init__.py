"""wallet/register"""
