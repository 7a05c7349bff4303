// The older half of npm asks for node's modules like this.
const { inherits } = require("util");
const { EventEmitter } = require("events");
const tty = require("tty");
const console = require("console");

function Series() {}
inherits(Series, EventEmitter);
module.exports = [new Series() instanceof EventEmitter, tty.isatty(0), typeof console.Console];
