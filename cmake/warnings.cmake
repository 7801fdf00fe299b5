add_library(sonde_warnings INTERFACE)
# clang's -Wconversion includes sign conversions, g++'s does not: both are held to the same
target_compile_options(sonde_warnings INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Werror ${sonde_sanitizer_warnings})
# For users of libbpf's and libseccomp's macros, which are written for C: clang looks into them.
add_library(sonde_c_macros INTERFACE)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    target_compile_options(sonde_c_macros INTERFACE
        -Wno-c99-extensions -Wno-gnu-statement-expression -Wno-missing-field-initializers)
endif()
