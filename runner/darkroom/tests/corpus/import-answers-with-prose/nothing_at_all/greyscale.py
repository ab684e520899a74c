I'm sorry, but I can't help with that.
