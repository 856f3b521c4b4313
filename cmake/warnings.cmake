# One place for what the compiler must say; every target of ours links it.
add_library(warnings INTERFACE)
target_compile_options(warnings INTERFACE
  -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
  -Wpointer-arith -Wcast-qual -Wwrite-strings -Wformat=2 -Wundef -Wvla -Wdouble-promotion)
target_compile_definitions(warnings INTERFACE _GNU_SOURCE)

# Programs that are installed: nothing of the dynamic linker's stays writable.
add_library(tool INTERFACE)
target_link_options(tool INTERFACE LINKER:-z,relro LINKER:-z,now)
