"""The two labels that are no words."""

SILENCE = "_silence_"  # nothing has been said
UNKNOWN = "_unknown_"  # something has, but none of the words
