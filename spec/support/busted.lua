-- Runs busted under the interpreter that runs this file (a plain `busted` may start another Lua).
require "busted.runner" {standalone = false}
