"""What a view asks for, resolved and in words: pure, without data."""
