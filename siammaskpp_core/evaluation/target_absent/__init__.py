"""The target-absent benchmark: does the confidence tell that the target is gone, and is it re-detected?"""
