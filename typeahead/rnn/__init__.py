"""The ground floor: recurrent networks as arrays in, arrays out; knows no text, no sound, no configuration."""
