"""A PACS behind DICOMweb: asked by QIDO-RS, retrieved from by WADO-RS, never written to, and named by nobody's name."""
