package config

// Formats are those that the fields' tags name.
var Formats = formats
