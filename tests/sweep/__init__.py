"""Every family of the installed transformers, built small and compared with what it computed."""
