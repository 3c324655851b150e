"""What operators ask first: how healthy each agent is, how long moves took, when pools are taken."""
