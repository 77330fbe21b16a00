"""The target-absent benchmark: does the score tell that the target is gone, and is it re-detected?"""
