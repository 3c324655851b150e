"""What an instance fetches to install the daemon."""
