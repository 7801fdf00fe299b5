add_library(sonde_warnings INTERFACE)
target_compile_options(sonde_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror)
