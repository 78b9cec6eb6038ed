"""What you type: corpus, language model, beam search, suggestions."""
