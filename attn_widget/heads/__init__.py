"""Which heads matter, and is it so?"""
