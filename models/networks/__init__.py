"""The networks: transforms, hyperpriors, contexts, gain units and what they cost."""
