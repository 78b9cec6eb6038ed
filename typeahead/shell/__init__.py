"""Where it meets you: the shell underneath, the line editor, the daemon and its client."""
