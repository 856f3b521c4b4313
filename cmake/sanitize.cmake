# SANITIZE=address|undefined|thread builds everything with that sanitizer (see CMakePresets.json).
set(SANITIZE "" CACHE STRING "Sanitizer to build with: address, undefined, thread, or none")
if(SANITIZE)
  add_compile_options(-fsanitize=${SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${SANITIZE})
endif()
