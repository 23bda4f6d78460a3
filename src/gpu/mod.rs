//! Devices: the only door to a GPU driver and to NVML.
