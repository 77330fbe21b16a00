"""Evaluation by the official VOT toolkit, which needs the extra [vot]."""
