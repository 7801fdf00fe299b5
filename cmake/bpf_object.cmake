# sonde_bpf_object(NAME SOURCE): SOURCE → object → skeleton NAME.skel.h, as the INTERFACE target NAME_skeleton.
find_program(SONDE_BPF_CLANG NAMES clang clang-14 clang-16 REQUIRED)
find_program(SONDE_BPFTOOL bpftool PATHS /usr/sbin REQUIRED)

# Registers, and the kernel's types where they differ: vmlinux/README.md.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    set(sonde_bpf_arch x86)
    set(SONDE_VMLINUX ${PROJECT_SOURCE_DIR}/vmlinux/x86_64)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
    set(sonde_bpf_arch arm64)
    set(SONDE_VMLINUX ${PROJECT_SOURCE_DIR}/vmlinux/arm64)
else()
    message(FATAL_ERROR "sonde knows the registers of x86_64 and aarch64, not those of ${CMAKE_SYSTEM_PROCESSOR}")
endif()

function(sonde_bpf_object name source)
    set(directory ${CMAKE_BINARY_DIR}/skeleton)
    file(MAKE_DIRECTORY ${directory})
    set(object ${directory}/${name}.bpf.o)
    set(linked ${directory}/${name}.linked.o)
    set(skeleton ${directory}/${name}.skel.h)
    # v3: without the 32-bit ALU of it, clang's shifts defeat the verifier's bounds
    add_custom_command(
        OUTPUT ${object}
        COMMAND ${SONDE_BPF_CLANG} -O2 -g -target bpf -mcpu=v3 -D__TARGET_ARCH_${sonde_bpf_arch} -Wall -Werror
                -I${PROJECT_SOURCE_DIR} -I${SONDE_VMLINUX}
                -MD -MF ${object}.d -c ${source} -o ${object}
        DEPENDS ${source}
        DEPFILE ${object}.d
        COMMENT "BPF object ${name}")
    add_custom_command(
        OUTPUT ${skeleton}
        COMMAND ${SONDE_BPFTOOL} gen object ${linked} ${object}
        COMMAND ${SONDE_BPFTOOL} gen skeleton ${linked} name ${name}_bpf > ${skeleton}
        DEPENDS ${object}
        COMMENT "BPF skeleton ${name}")
    add_custom_target(${name}_skeleton_file DEPENDS ${skeleton})
    add_library(${name}_skeleton INTERFACE)
    add_dependencies(${name}_skeleton ${name}_skeleton_file)
    target_include_directories(${name}_skeleton SYSTEM INTERFACE ${directory})
    target_link_libraries(${name}_skeleton INTERFACE PkgConfig::LIBBPF)
endfunction()
