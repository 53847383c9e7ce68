package config

// Formats has the formats that tags of fields may name.
var Formats = formats
