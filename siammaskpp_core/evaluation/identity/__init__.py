"""The identity benchmark: does the track stay on its object beside others of the same class?"""
