add_library(sonde_warnings INTERFACE)
# clang's -Wconversion includes sign conversions, g++'s does not: both are held to the same
target_compile_options(sonde_warnings INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Werror ${sonde_sanitizer_warnings})
