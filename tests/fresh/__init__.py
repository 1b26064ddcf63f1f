"""What a newcomer meets: machines as the installer of their Debian leaves them, and nothing typed but what the README says."""
