"""A reader's own pictures: found in folders, tables and zips, read whatever they are, looked at, and cut into splits.

    found = find("photos/")                     # which file belongs to which class; what is no picture, and why (listing.py)
    read = read_picture(path, 192)              # read.pixels, or read.reason and read.remedy (reading.py)

`load_images("photos/")` does all of it. A file ends as an image or as a line in the report; the counts add up.
"""
