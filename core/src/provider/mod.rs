//! Who looks at pictures: on this machine, in a cloud, or one standing in for the other.
