"""DICOM files without the people in them."""
