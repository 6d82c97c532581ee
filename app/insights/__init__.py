"""What drives the experience, whether a bad one was made good, what people say."""
