"""What is registered and versioned: data assets, models, components, codes, environments."""
