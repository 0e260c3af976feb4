"""Where images come from. Each module makes an `ImageSet`; `load_images` is the one door to them."""
