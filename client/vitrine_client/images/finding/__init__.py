"""Item finding: the pixels of a picture that are its item, and the instance made of them."""
