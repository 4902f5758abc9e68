"""What people are told of, whom, in which form."""
