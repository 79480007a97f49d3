# SPDX-License-Identifier: Apache-2.0
# How the kernels are compiled.
#
# src/backend/reference/*.c  no fused multiply-add: they are what the others are checked against.
# src/backend/cpu/*.c        fused multiply-add allowed.
# src/backend/cpu/isa/*.c    one generic source a kernel, compiled once for each instruction set and chosen at run time:
#                            SPK_ISA_SUFFIX=_v3 (any x86-64-v3 processor) and SPK_ISA_SUFFIX=_v4 (AVX-512 F BW DQ VL CD).
#                            SPK_ISA is v3 or v4, SPK_ISA_LEVEL is 3 or 4 (for #if). The source names its functions with
#                            the suffix, and a plain file of src/backend/cpu picks by the processor's flags.
#                            They are not part of the room's ordinary list of files.
file(GLOB_RECURSE reference_sources CONFIGURE_DEPENDS src/backend/reference/*.c)
file(GLOB_RECURSE cpu_sources CONFIGURE_DEPENDS src/backend/cpu/*.c)
file(GLOB isa_sources CONFIGURE_DEPENDS src/backend/cpu/isa/*.c)
set_source_files_properties(${reference_sources} PROPERTIES COMPILE_OPTIONS "-ffp-contract=off")
set_source_files_properties(${cpu_sources} PROPERTIES COMPILE_OPTIONS "-ffp-contract=fast")

# spk_isa_kernels(LEVEL FLAGS...): an object library of the isa sources, added to the backend room.
function(spk_isa_kernels level)
  set(name kernels_v${level})
  add_library(${name} OBJECT ${isa_sources})
  target_link_libraries(${name} PRIVATE spk_flags ${SPK_LIBS_backend})
  target_compile_definitions(${name} PRIVATE SPK_ISA_SUFFIX=_v${level} SPK_ISA=v${level} SPK_ISA_LEVEL=${level})
  target_compile_options(${name} PRIVATE -O3 ${ARGN})
  target_sources(room_backend PRIVATE $<TARGET_OBJECTS:${name}>)
endfunction()

if(isa_sources AND TARGET room_backend)
  spk_isa_kernels(3)
  # The -m flags hold whatever -march stands beside them.
  spk_isa_kernels(4 -mavx512f -mavx512cd -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512)
  list(APPEND objects $<TARGET_OBJECTS:kernels_v3> $<TARGET_OBJECTS:kernels_v4>)
endif()
