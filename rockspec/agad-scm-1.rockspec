rockspec_format = "3.0"
package = "agad"
version = "scm-1"
source = {url = "."}     -- for `luarocks make` in a checkout
description = {
  summary = "Finding what is wrong in a picture, from many normal pictures and few bad ones",
  license = "MIT",
}
dependencies = {"lua ~> 5.4"}
build = {
  type = "make",
  build_target = "all",
  -- One folder holds the module and the libraries it is linked with, so that they find each other.
  install_variables = {
    LUADIR = "$(LUADIR)",
    CLUADIR = "$(LIBDIR)",
    SHLIBDIR = "$(LIBDIR)/agad",
    BINDIR = "$(BINDIR)",
    INCDIR = "$(PREFIX)/include/agad",
    FROM_BIN = "../share/lua/5.4 ../lib/lua/5.4",
  },
}
