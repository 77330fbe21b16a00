# Only for building with the ROS 2 wheels of PyPI; a machine with ROS 2 installed does not need it.
# Use: colcon build --cmake-args -DCMAKE_PROJECT_INCLUDE=$PWD/cmake/ros_wheels.cmake
#
# The wheels' exported *__rosidl_generator_py targets name the include folders of the Python they were
# built with. Those folders do not exist on this machine, and CMake refuses targets that name them, so
# they are dropped once all packages have been found (hence the deferred call).

function(siammaskpp_drop_missing_include_dirs)
  get_property(targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(folders ${target} INTERFACE_INCLUDE_DIRECTORIES)
    if(NOT folders)
      continue()
    endif()
    set(kept "")
    foreach(folder IN LISTS folders)
      if(NOT IS_ABSOLUTE "${folder}" OR EXISTS "${folder}")
        list(APPEND kept "${folder}")
      endif()
    endforeach()
    set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${kept}")
  endforeach()
endfunction()

cmake_language(DEFER CALL siammaskpp_drop_missing_include_dirs)
