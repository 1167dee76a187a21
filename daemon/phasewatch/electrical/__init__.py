"""What the wires do: geometry, components, limits and the verdict."""
