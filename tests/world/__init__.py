"""A small cloud without wires: hypervisors, a store and the machine between them.  See world.world.World."""
