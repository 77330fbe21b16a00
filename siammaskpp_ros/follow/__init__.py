"""Following a target with a robot: node follower, its control law, and a simulation to try it."""
