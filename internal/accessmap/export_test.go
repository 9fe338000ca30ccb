package accessmap

// Compute computes a map without a Keeper.
var Compute = compute
