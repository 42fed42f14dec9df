"""What a DICOM data set shows and says: pure functions of data sets that pydicom has read."""
