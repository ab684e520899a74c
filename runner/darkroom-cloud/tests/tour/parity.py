"""What the first tour did not ask: details in which an emulator usually gives itself away."""
