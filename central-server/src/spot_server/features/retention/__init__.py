"""How long history is kept, and how it is deleted: in small batches, never what something that is kept needs."""
